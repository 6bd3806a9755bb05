ethrex_client::release!(r29);
