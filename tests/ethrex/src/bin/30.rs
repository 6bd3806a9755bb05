ethrex_client::release!(r30);
