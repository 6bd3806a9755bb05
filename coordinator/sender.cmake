# JSON-RPC client and the sender of L1 transactions: decisions pure, effects in rpc and sender_io.
add_library(coordinator_http STATIC http.c)
target_link_libraries(coordinator_http PUBLIC encoding PkgConfig::CURL PkgConfig::UV)

add_library(coordinator_rpc STATIC rpc.c rpc_parse.c rpc_node_error.c)
target_link_libraries(coordinator_rpc PUBLIC coordinator_http encoding PkgConfig::CURL PkgConfig::UV
                                      PkgConfig::JANSSON)

add_library(coordinator_sender STATIC sender.c sender_plan.c sender_follow.c sender_intent.c)
target_link_libraries(coordinator_sender PUBLIC ethereum encoding)

add_library(coordinator_sender_io STATIC sender_io.c sender_io_view.c)
target_link_libraries(coordinator_sender_io PUBLIC coordinator_sender coordinator_rpc ethereum)
