ethrex_client::release!(r26);
