ethrex_client::release!(r31);
