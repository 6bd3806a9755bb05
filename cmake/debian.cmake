# Run by CPack before it packs what was staged: the files that only a Debian package has.
set(root ${CPACK_TEMPORARY_DIRECTORY}${CPACK_PACKAGING_INSTALL_PREFIX})
set(debian ${CMAKE_CURRENT_LIST_DIR}/../packaging/debian)
set(name ${CPACK_PACKAGE_NAME})
set(doc ${root}/share/doc/${name})
configure_file(${debian}/copyright ${doc}/copyright COPYONLY)
configure_file(${debian}/lintian-overrides ${root}/share/lintian/overrides/${name} COPYONLY)
string(TIMESTAMP now "%a, %d %b %Y %H:%M:%S +0000" UTC)
file(WRITE ${doc}/changelog "${name} (${CPACK_PACKAGE_VERSION}) unstable; urgency=medium

  * As CHANGELOG.md has it.

 -- ${CPACK_PACKAGE_CONTACT}  ${now}
")
execute_process(COMMAND gzip -9nf ${doc}/changelog COMMAND_ERROR_IS_FATAL ANY)
file(REMOVE ${doc}/LICENSE-APACHE ${doc}/LICENSE-MIT ${doc}/LICENSE)
