fuzz_target(fuzz_rpc_reply ${CMAKE_CURRENT_LIST_DIR}/fuzz_rpc_reply.c coordinator_rpc)
fuzz_target(fuzz_sender_intent ${CMAKE_CURRENT_LIST_DIR}/fuzz_sender_intent.c coordinator_sender)
