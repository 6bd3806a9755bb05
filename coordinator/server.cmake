# The TCP side of the daemon; knows bytes, not messages.
add_library(coordinator_server STATIC
  ${CMAKE_CURRENT_LIST_DIR}/server.c
  ${CMAKE_CURRENT_LIST_DIR}/server_listen.c
  ${CMAKE_CURRENT_LIST_DIR}/server_conn.c
  ${CMAKE_CURRENT_LIST_DIR}/server_reply.c
  ${CMAKE_CURRENT_LIST_DIR}/server_stream.c
  ${CMAKE_CURRENT_LIST_DIR}/server_deadlines.c
  ${CMAKE_CURRENT_LIST_DIR}/limits.c)
target_link_libraries(coordinator_server PUBLIC encoding PkgConfig::UV)
