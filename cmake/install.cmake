# What is installed beside the programs (make install), and the Debian package (make deb). All paths are below the
# prefix, which the unit's ExecStart is told when it is installed.
include(${CMAKE_CURRENT_LIST_DIR}/manual.cmake)
foreach(program IN ITEMS proof-coordinator quote-gen tdx-quote)
  manual(${program})
endforeach()
manual_page(executor/ethrex-executor.1.scd)

set(shared ${CMAKE_INSTALL_DATADIR}/proof-coordinator)
foreach(unit IN ITEMS proof-coordinator quote-gen)
  install(CODE "
    file(READ \"${PROJECT_SOURCE_DIR}/config/${unit}.service\" text)
    string(REPLACE /usr/local/bin/ \"\${CMAKE_INSTALL_PREFIX}/${CMAKE_INSTALL_BINDIR}/\" text \"\${text}\")
    file(WRITE \"${CMAKE_BINARY_DIR}/units/${unit}.service\" \"\${text}\")")
  install(FILES ${CMAKE_BINARY_DIR}/units/${unit}.service DESTINATION lib/systemd/system)
endforeach()
install(FILES config/proof-coordinator.sysusers.conf DESTINATION lib/sysusers.d RENAME proof-coordinator.conf)
install(FILES config/coordinator.env.example config/policy.example.json config/alerts.yaml config/prometheus.example.yaml
  DESTINATION ${shared})
install(DIRECTORY config/grafana DESTINATION ${shared})
install(FILES README.md CHANGELOG.md LICENSE LICENSE-MIT LICENSE-APACHE DESTINATION ${CMAKE_INSTALL_DOCDIR})
install(DIRECTORY docs/ DESTINATION ${CMAKE_INSTALL_DOCDIR}/docs FILES_MATCHING PATTERN "*.md" PATTERN "*.yaml")

set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME tdx-proof-coordinator)
set(CPACK_PACKAGE_VERSION ${VERSION})
set(CPACK_PACKAGE_CONTACT "the authors of tdx-proof-coordinator <noreply@localhost.invalid>")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "proof coordinator for ethrex L2's TDX proving")
set(CPACK_PACKAGE_DESCRIPTION "Hands batch inputs of an ethrex L2 to provers, keeps their proofs, registers
TDX prover keys with the on-chain verifier and gets batches verified on L1.
With it come the prover for a TDX guest (quote-gen), the offline verifier of
TDX quotes (tdx-quote) and its library, libtdxverify.")
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_STRIP_FILES ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SECTION net)
set(CPACK_DEBIAN_PACKAGE_PRIORITY optional)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_GENERATE_SHLIBS ON)
set(CPACK_DEBIAN_PACKAGE_DEPENDS "systemd | systemd-standalone-sysusers")
set(CPACK_DEBIAN_PACKAGE_RECOMMENDS ca-certificates)
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)
set(debian ${PROJECT_SOURCE_DIR}/packaging/debian)
set(CPACK_DEBIAN_PACKAGE_CONTROL_EXTRA ${debian}/postinst ${debian}/prerm ${debian}/postrm ${debian}/triggers)
# What only the package has.
set(CPACK_PRE_BUILD_SCRIPTS ${CMAKE_CURRENT_LIST_DIR}/debian.cmake)
include(CPack)
