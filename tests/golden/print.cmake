# After a run of ctest: the table of the golden suites, if they ran. ctest shows what this prints, not what a test that passes does.
if(EXISTS ${LOGS}/summary.txt)
  file(READ ${LOGS}/summary.txt table)
  file(REMOVE ${LOGS}/summary.txt)
  execute_process(COMMAND ${CMAKE_COMMAND} -E echo "\n${table}")
endif()
