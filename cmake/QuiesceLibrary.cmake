# The library, its testing kit, the lab, and the Prometheus provider.
find_package(Threads REQUIRED)
find_package(fmt REQUIRED)
find_package(spdlog REQUIRED)
find_package(Boost 1.81 REQUIRED)

function(quiesce_library target alias)
  add_library(${target} STATIC ${ARGN})
  add_library(quiesce::${alias} ALIAS ${target})
  target_compile_features(${target} PUBLIC cxx_std_23)
  target_include_directories(
    ${target}
    PUBLIC $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include> $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>
    PRIVATE ${PROJECT_SOURCE_DIR}/src
  )
  # CMAKE_POSITION_INDEPENDENT_CODE says whether it may go into a shared library. Not so by default: what belongs to a thread would be
  # reached by calls, and no function inlined that another library might replace.
  set_target_properties(${target} PROPERTIES EXPORT_NAME ${alias})
  quiesce_warnings(${target})
endfunction()

file(GLOB_RECURSE sources CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/src/*.cpp")
list(FILTER sources EXCLUDE REGEX "^${PROJECT_SOURCE_DIR}/src/(testing|lab|prometheus)/")
if(NOT sources)
  message(FATAL_ERROR "quiesce: no sources below ${PROJECT_SOURCE_DIR}/src; the checkout is incomplete")
endif()
quiesce_library(quiesce quiesce ${sources})
target_link_libraries(
  quiesce
  PUBLIC Boost::headers Threads::Threads fmt::fmt
  PRIVATE spdlog::spdlog backtrace # libbacktrace lies beside libgcc, where g++ and clang++ both look
)

file(GLOB_RECURSE testing_sources CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/src/testing/*.cpp")
if(testing_sources)
  quiesce_library(quiesce_testing testing ${testing_sources})
  target_link_libraries(quiesce_testing PUBLIC quiesce)
endif()

file(GLOB_RECURSE lab_sources CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/src/lab/*.cpp")
if(lab_sources)
  find_package(Boost 1.81 REQUIRED COMPONENTS context)
  find_package(nlohmann_json 3.11 REQUIRED) # headers only, and of the sources only
  quiesce_library(quiesce_lab lab ${lab_sources})
  target_link_libraries(
    quiesce_lab
    PUBLIC quiesce
    PRIVATE Boost::context $<BUILD_INTERFACE:nlohmann_json::nlohmann_json> backtrace
  )
  target_compile_definitions(quiesce_lab PRIVATE QUIESCE_VERSION="${PROJECT_VERSION}")
endif()

file(GLOB_RECURSE prometheus_sources CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/src/prometheus/*.cpp")
if(prometheus_sources)
  find_package(QuiescePrometheusCpp)
  if(QuiescePrometheusCpp_FOUND)
    quiesce_library(quiesce_prometheus prometheus ${prometheus_sources})
    target_link_libraries(quiesce_prometheus PUBLIC quiesce PRIVATE quiesce::prometheus_cpp)
  else()
    message(STATUS "quiesce::prometheus is left out: prometheus-cpp was not found")
  endif()
endif()
