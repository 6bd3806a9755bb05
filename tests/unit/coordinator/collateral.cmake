add_library(collateral_world STATIC ${CMAKE_CURRENT_LIST_DIR}/collateral_world.c
                                    ${CMAKE_CURRENT_LIST_DIR}/fake_pcs.c)
target_link_libraries(collateral_world PUBLIC coordinator_collateral verifier_forge PkgConfig::UV
                                              PkgConfig::CMOCKA)

unit_test(test_collateral ${CMAKE_CURRENT_LIST_DIR}/test_collateral.c collateral_world)
unit_test(test_collateral_disk ${CMAKE_CURRENT_LIST_DIR}/test_collateral_disk.c collateral_world)
unit_test(test_collateral_parts ${CMAKE_CURRENT_LIST_DIR}/test_collateral_parts.c collateral_world)
unit_test(test_collateral_memory ${CMAKE_CURRENT_LIST_DIR}/test_collateral_memory.c collateral_world)
target_link_options(test_collateral_memory PRIVATE -Wl,--wrap=malloc -Wl,--wrap=calloc -Wl,--wrap=realloc
                                                   -Wl,--wrap=strdup)
unit_test(test_collateral_vectors ${CMAKE_CURRENT_LIST_DIR}/test_collateral_vectors.c collateral_world)
