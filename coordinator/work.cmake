# Decisions: who works on what, which key is registered, which proof is good. No I/O, no clock.
add_library(coordinator_work STATIC
  ${CMAKE_CURRENT_LIST_DIR}/work.c
  ${CMAKE_CURRENT_LIST_DIR}/work_order.c
  ${CMAKE_CURRENT_LIST_DIR}/work_source.c
  ${CMAKE_CURRENT_LIST_DIR}/work_lease.c
  ${CMAKE_CURRENT_LIST_DIR}/work_candidate.c
  ${CMAKE_CURRENT_LIST_DIR}/work_chain.c
  ${CMAKE_CURRENT_LIST_DIR}/work_status.c
  ${CMAKE_CURRENT_LIST_DIR}/registrar.c
  ${CMAKE_CURRENT_LIST_DIR}/registrar_next.c
  ${CMAKE_CURRENT_LIST_DIR}/judge.c)
target_link_libraries(coordinator_work PUBLIC encoding protocol ethereum)
