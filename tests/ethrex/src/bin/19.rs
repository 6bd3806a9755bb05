ethrex_client::release!(r19);
