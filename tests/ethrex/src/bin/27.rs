ethrex_client::release!(r27);
