ethrex_client::release!(r21);
