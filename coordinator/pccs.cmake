# Decisions about the on-chain PCCS and the form in which a quote is sent. No I/O, no clock.
add_library(coordinator_pccs STATIC
  ${CMAKE_CURRENT_LIST_DIR}/pccs.c
  ${CMAKE_CURRENT_LIST_DIR}/pccs_pieces.c
  ${CMAKE_CURRENT_LIST_DIR}/pccs_find.c
  ${CMAKE_CURRENT_LIST_DIR}/pccs_judge.c
  ${CMAKE_CURRENT_LIST_DIR}/dcap_words.c
  ${CMAKE_CURRENT_LIST_DIR}/register_call.c
  ${CMAKE_CURRENT_LIST_DIR}/rehearsal.c)
target_link_libraries(coordinator_pccs PUBLIC encoding ethereum verifier PRIVATE PkgConfig::CRYPTO)
