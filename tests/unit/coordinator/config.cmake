unit_test(test_config test_config.c coordinator_config)
unit_test(test_log test_log.c coordinator_config PkgConfig::JANSSON)
