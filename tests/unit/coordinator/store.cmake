unit_test(test_store ${CMAKE_CURRENT_LIST_DIR}/test_store.c coordinator_store PkgConfig::SQLITE)
unit_test(test_store_faults ${CMAKE_CURRENT_LIST_DIR}/test_store_faults.c coordinator_store
          PkgConfig::SQLITE)
unit_test(test_input_file ${CMAKE_CURRENT_LIST_DIR}/test_input_file.c coordinator_store)
