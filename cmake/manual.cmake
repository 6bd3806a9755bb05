# Man pages and completion, by the programs themselves: manual(TARGET) makes TARGET.1.gz and a completion.
find_program(SCDOC scdoc)
if(NOT SCDOC)
  message(STATUS "no man pages: scdoc is missing")
endif()

function(manual program)
  set(made ${CMAKE_BINARY_DIR}/manual/${program})
  set(completion ${CMAKE_BINARY_DIR}/manual/completions/${program})
  add_custom_command(OUTPUT ${completion}
    COMMAND ${CMAKE_COMMAND} -E make_directory ${CMAKE_BINARY_DIR}/manual/completions
    COMMAND $<TARGET_FILE:${program}> --bash-completion > ${completion}
    DEPENDS ${program} VERBATIM)
  install(FILES ${completion} DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions)
  set(files ${completion})
  if(SCDOC)
    add_custom_command(OUTPUT ${made}.1.gz
      COMMAND $<TARGET_FILE:${program}> --man > ${made}.scd
      COMMAND ${SCDOC} < ${made}.scd > ${made}.1
      COMMAND gzip -9nf ${made}.1
      DEPENDS ${program} ${completion} VERBATIM)
    install(FILES ${made}.1.gz DESTINATION ${CMAKE_INSTALL_MANDIR}/man1)
    list(APPEND files ${made}.1.gz)
  endif()
  add_custom_target(manual_${program} ALL DEPENDS ${files})
endfunction()

# manual_page(FILE): one that is written by hand, of a program that CMake does not build.
function(manual_page source)
  if(NOT SCDOC)
    return()
  endif()
  get_filename_component(page ${source} NAME_WLE) # ethrex-executor.1
  set(made ${CMAKE_BINARY_DIR}/manual/${page}.gz)
  add_custom_command(OUTPUT ${made}
    COMMAND ${CMAKE_COMMAND} -E make_directory ${CMAKE_BINARY_DIR}/manual
    COMMAND ${SCDOC} < ${PROJECT_SOURCE_DIR}/${source} > ${CMAKE_BINARY_DIR}/manual/${page}
    COMMAND gzip -9nf ${CMAKE_BINARY_DIR}/manual/${page}
    DEPENDS ${PROJECT_SOURCE_DIR}/${source} VERBATIM)
  install(FILES ${made} DESTINATION ${CMAKE_INSTALL_MANDIR}/man1)
  add_custom_target(manual_page_${page} ALL DEPENDS ${made})
endfunction()
