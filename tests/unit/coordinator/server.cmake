unit_test(test_limits ${CMAKE_CURRENT_LIST_DIR}/test_limits.c coordinator_server)
unit_test(test_server ${CMAKE_CURRENT_LIST_DIR}/test_server.c coordinator_server)
unit_test(test_server_stream ${CMAKE_CURRENT_LIST_DIR}/test_server_stream.c coordinator_server)
