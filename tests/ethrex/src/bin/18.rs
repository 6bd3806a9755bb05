ethrex_client::release!(r18);
