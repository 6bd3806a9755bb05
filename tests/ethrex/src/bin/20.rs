ethrex_client::release!(r20);
