ethrex_client::release!(r28);
