ethrex_client::release!(r22);
