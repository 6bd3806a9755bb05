# PROJECT_VERSION_FILE: the number in the file VERSION. VERSION: that of the programs, see cli/version.h.
file(READ ${CMAKE_CURRENT_LIST_DIR}/../VERSION PROJECT_VERSION_FILE)
string(STRIP "${PROJECT_VERSION_FILE}" PROJECT_VERSION_FILE)
set(VERSION ${PROJECT_VERSION_FILE})
set(git git -C ${CMAKE_CURRENT_LIST_DIR}/..)
execute_process(COMMAND ${git} describe --tags --long --match v[0-9]*
  OUTPUT_VARIABLE described ERROR_QUIET OUTPUT_STRIP_TRAILING_WHITESPACE RESULT_VARIABLE untagged)
if(NOT untagged AND described MATCHES "^v([0-9.]+)-([0-9]+)-(g[0-9a-f]+)$")
  set(VERSION ${CMAKE_MATCH_1})
  if(NOT CMAKE_MATCH_2 EQUAL 0)
    set(VERSION "${VERSION}+${CMAKE_MATCH_2}.${CMAKE_MATCH_3}")
  endif()
else()
  execute_process(COMMAND ${git} rev-parse --short HEAD
    OUTPUT_VARIABLE commit ERROR_QUIET OUTPUT_STRIP_TRAILING_WHITESPACE RESULT_VARIABLE no_git)
  execute_process(COMMAND ${git} rev-list --count HEAD
    OUTPUT_VARIABLE number ERROR_QUIET OUTPUT_STRIP_TRAILING_WHITESPACE)
  if(NOT no_git)
    set(VERSION "${VERSION}~${number}.g${commit}")
  endif()
endif()
