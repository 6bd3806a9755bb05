ethrex_client::release!(r17);
