add_library(coordinator_store STATIC
  ${CMAKE_CURRENT_LIST_DIR}/store.c
  ${CMAKE_CURRENT_LIST_DIR}/store_change.c
  ${CMAKE_CURRENT_LIST_DIR}/data_dir.c
  ${CMAKE_CURRENT_LIST_DIR}/store_sqlite.c
  ${CMAKE_CURRENT_LIST_DIR}/store_sqlite_rows.c
  ${CMAKE_CURRENT_LIST_DIR}/input_file.c)
target_link_libraries(coordinator_store PUBLIC encoding PkgConfig::UV
                                        PRIVATE PkgConfig::SQLITE PkgConfig::CRYPTO)
