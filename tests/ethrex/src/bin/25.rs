ethrex_client::release!(r25);
