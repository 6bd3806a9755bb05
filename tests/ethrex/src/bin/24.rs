ethrex_client::release!(r24);
