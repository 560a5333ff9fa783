# Shared build functions: a room is one library target, a test one executable.
get_filename_component(DEEPANALYZE_ROOT ${CMAKE_CURRENT_LIST_DIR}/.. ABSOLUTE)
set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/bin)

# -O3 where loops over numbers are (kernels, quantization, tokenizer); elsewhere it costs a fifth of the build for nothing.
set(CMAKE_CXX_FLAGS_RELEASE "-O2 -DNDEBUG")

find_program(CCACHE_PROGRAM ccache)
if(CCACHE_PROGRAM)
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CCACHE_PROGRAM})
endif()
find_package(Threads REQUIRED)

# Flags every target of ours is compiled with.
function(deepanalyze_target target)
  target_include_directories(${target} PRIVATE ${DEEPANALYZE_ROOT}/src ${CMAKE_BINARY_DIR}/generated)
  target_compile_options(${target} PRIVATE -Wall -Wextra -Wshadow -Wnon-virtual-dtor -Wno-missing-field-initializers)
  if(CMAKE_CXX_COMPILER_ID STREQUAL GNU AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
    target_compile_options(${target} PRIVATE -Wno-restrict)  # false alarms on std::string (GCC bug 105651)
  endif()
  if(DEEPANALYZE_WERROR)
    target_compile_options(${target} PRIVATE -Werror)
  endif()
endfunction()

# deepanalyze_room(NAME [NUMERIC] SOURCES a.cc… LINKS da_base…): library da_NAME from this folder.
function(deepanalyze_room name)
  cmake_parse_arguments(ARG "NUMERIC" "" "SOURCES;LINKS" ${ARGN})
  add_library(da_${name} STATIC ${ARG_SOURCES})
  deepanalyze_target(da_${name})
  if(ARG_NUMERIC)
    target_compile_options(da_${name} PRIVATE $<$<CONFIG:Release>:-O3>)
  endif()
  target_link_libraries(da_${name} PUBLIC ${ARG_LINKS})
endfunction()

# deepanalyze_gpu_plugin(NAME SOURCES …): the library libNAME.so beside the program, with the rooms it needs compiled in.
function(deepanalyze_gpu_plugin name)
  cmake_parse_arguments(ARG "" "" "SOURCES" ${ARGN})
  add_library(${name} MODULE ${DEEPANALYZE_ROOT}/src/backend/cuda/plugin.cc ${DEEPANALYZE_ROOT}/src/backend/backend.cc ${ARG_SOURCES})
  foreach(room base gguf quant)
    get_target_property(sources da_${room} SOURCES)
    list(TRANSFORM sources PREPEND ${DEEPANALYZE_ROOT}/src/${room}/ REGEX "^[^/]")
    target_sources(${name} PRIVATE ${sources})
  endforeach()
  target_include_directories(${name} PRIVATE ${DEEPANALYZE_ROOT}/src ${CMAKE_BINARY_DIR}/generated)
  target_link_libraries(${name} PRIVATE Threads::Threads)
  set_target_properties(${name} PROPERTIES LIBRARY_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/bin CXX_VISIBILITY_PRESET hidden)
endfunction()

# deepanalyze_test(NAME SOURCES a.cc… LINKS da_x… [LABELS l…] [TIMEOUT s] [ON_DEMAND]): GoogleTest executable test_NAME, one CTest
# entry. ON_DEMAND: no entry, and built only when it is asked for.
function(deepanalyze_test name)
  cmake_parse_arguments(ARG "ON_DEMAND" "TIMEOUT" "SOURCES;LINKS;LABELS" ${ARGN})
  add_executable(test_${name} ${ARG_SOURCES})
  deepanalyze_target(test_${name})
  target_include_directories(test_${name} PRIVATE ${DEEPANALYZE_ROOT}/tests)
  target_link_libraries(test_${name} PRIVATE ${ARG_LINKS} GTest::gtest GTest::gtest_main)
  target_compile_options(test_${name} PRIVATE $<$<CONFIG:Release>:-O1>)  # what takes long is compiling, not running
  target_compile_definitions(test_${name} PRIVATE DEEPANALYZE_SOURCE_DIR="${DEEPANALYZE_ROOT}")
  if(ARG_ON_DEMAND)
    set_target_properties(test_${name} PROPERTIES EXCLUDE_FROM_ALL ON)
    return()
  endif()
  add_test(NAME ${name} COMMAND test_${name})
  if(NOT ARG_TIMEOUT)
    set(ARG_TIMEOUT 120)
  endif()
  set(golden_log "")
  if(golden IN_LIST ARG_LABELS)  # tests/golden sums up what these note
    set(golden_log ${CMAKE_BINARY_DIR}/golden/${name}.log)
    set_property(GLOBAL APPEND PROPERTY DEEPANALYZE_GOLDEN_SUITES ${name})
  endif()
  set(gpu_log "")
  if(cuda-emulated IN_LIST ARG_LABELS)  # tests/cuda_emulation/summary sums up what these note
    set(gpu_log ${CMAKE_BINARY_DIR}/cuda-emulated/${name}.log)
    set_property(GLOBAL APPEND PROPERTY DEEPANALYZE_EMULATED_SUITES ${name})
  endif()
  set_tests_properties(${name} PROPERTIES TIMEOUT ${ARG_TIMEOUT} LABELS "${ARG_LABELS}"
    ENVIRONMENT "DEEPANALYZE_BINARY=${CMAKE_BINARY_DIR}/bin/deepanalyze;DEEPANALYZE_GOLDEN_LOG=${golden_log};DEEPANALYZE_GPU_LOG=${gpu_log}")
endfunction()
