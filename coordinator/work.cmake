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

# Is a quote good, and what of it is remembered.
add_library(coordinator_appraisal STATIC
  ${CMAKE_CURRENT_LIST_DIR}/appraisal.c
  ${CMAKE_CURRENT_LIST_DIR}/contract_fit.c
  ${CMAKE_CURRENT_LIST_DIR}/refusals.c)
target_link_libraries(coordinator_appraisal PUBLIC coordinator_collateral encoding ethereum verifier PRIVATE PkgConfig::CRYPTO)
