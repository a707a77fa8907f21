# Install rules: headers, archives, and a package that find_package(quiesce) finds.
include(CMakePackageConfigHelpers)
set(package_dir "${CMAKE_INSTALL_LIBDIR}/cmake/quiesce")

install(DIRECTORY "${PROJECT_SOURCE_DIR}/include/" DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}" FILES_MATCHING PATTERN "*.hpp")

install(FILES "${PROJECT_SOURCE_DIR}/tools/gdb/quiesce-gdb.py" DESTINATION "${CMAKE_INSTALL_DATADIR}/quiesce/gdb")

set(exported quiesce)
if(TARGET quiesce_lab)
  list(APPEND exported quiesce_lab)
endif()
if(TARGET quiesce_testing)
  list(APPEND exported quiesce_testing)
endif()
install(TARGETS ${exported} EXPORT quiesceTargets ARCHIVE DESTINATION "${CMAKE_INSTALL_LIBDIR}")
install(EXPORT quiesceTargets NAMESPACE quiesce:: DESTINATION "${package_dir}")

# Apart from the others: only who asks for the component needs prometheus-cpp.
if(TARGET quiesce_prometheus)
  install(TARGETS quiesce_prometheus EXPORT quiescePrometheusTargets ARCHIVE DESTINATION "${CMAKE_INSTALL_LIBDIR}")
  install(EXPORT quiescePrometheusTargets NAMESPACE quiesce:: DESTINATION "${package_dir}")
endif()

configure_package_config_file(
  "${PROJECT_SOURCE_DIR}/cmake/quiesceConfig.cmake.in" "${PROJECT_BINARY_DIR}/quiesceConfig.cmake"
  INSTALL_DESTINATION "${package_dir}"
)
write_basic_package_version_file("${PROJECT_BINARY_DIR}/quiesceConfigVersion.cmake" COMPATIBILITY SameMinorVersion)
install(
  FILES "${PROJECT_BINARY_DIR}/quiesceConfig.cmake" "${PROJECT_BINARY_DIR}/quiesceConfigVersion.cmake"
        "${PROJECT_SOURCE_DIR}/cmake/FindQuiescePrometheusCpp.cmake"
  DESTINATION "${package_dir}"
)
