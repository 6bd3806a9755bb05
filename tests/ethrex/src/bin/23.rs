ethrex_client::release!(r23);
