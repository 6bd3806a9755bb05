# What Intel says about platforms: where it may come from, and the client that keeps it fresh.
add_library(coordinator_collateral_source STATIC ${CMAKE_CURRENT_LIST_DIR}/collateral_source.c)
target_link_libraries(coordinator_collateral_source PUBLIC encoding PRIVATE coordinator_rpc)

add_library(coordinator_collateral STATIC
  ${CMAKE_CURRENT_LIST_DIR}/collateral.c
  ${CMAKE_CURRENT_LIST_DIR}/collateral_deliver.c
  ${CMAKE_CURRENT_LIST_DIR}/collateral_life.c
  ${CMAKE_CURRENT_LIST_DIR}/collateral_fetch.c
  ${CMAKE_CURRENT_LIST_DIR}/collateral_request.c
  ${CMAKE_CURRENT_LIST_DIR}/collateral_check.c
  ${CMAKE_CURRENT_LIST_DIR}/collateral_rest.c
  ${CMAKE_CURRENT_LIST_DIR}/collateral_set.c
  ${CMAKE_CURRENT_LIST_DIR}/collateral_disk.c)
target_link_libraries(coordinator_collateral PUBLIC coordinator_collateral_source coordinator_http
                                             coordinator_store collateral_dir verifier encoding
                                             PkgConfig::UV PkgConfig::JANSSON)
