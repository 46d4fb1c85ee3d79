# SPDX-License-Identifier: MIT
# Manual pages and completions. A page is a document of docs/, read by lowdown; that of a program begins with its verbs and
# options, which its own command line tells, and so do its completions.
#
# A build for another processor cannot run the generators, and has neither.

find_program(XK_LOWDOWN lowdown)
set(XK_ZSH_DIR "${CMAKE_INSTALL_DATADIR}/zsh/vendor-completions" CACHE STRING "Where zsh looks for completions")
set(XK_MANUAL OFF)
if(NOT CMAKE_CROSSCOMPILING AND NOT XK_STATIC AND NOT XK_FUZZ)
  set(XK_MANUAL ON)
endif()

# xk_page(NAME SECTION DOCUMENT ABOUT): ABOUT is the line for whatis(1), or a file of Markdown that comes before the document.
function(xk_page name section document about)
  if(NOT XK_MANUAL OR NOT XK_LOWDOWN)
    return()
  endif()
  set(page ${CMAKE_CURRENT_BINARY_DIR}/${name}.${section})
  add_custom_command(OUTPUT ${page}
    COMMAND ${PROJECT_SOURCE_DIR}/tools/cmake/make_page.sh ${XK_LOWDOWN} ${name} ${section} ${PROJECT_VERSION} ${page} ${about}
      ${PROJECT_SOURCE_DIR}/docs/${document}
    DEPENDS ${PROJECT_SOURCE_DIR}/tools/cmake/make_page.sh ${PROJECT_SOURCE_DIR}/docs/${document} ${ARGN} VERBATIM)
  add_custom_target(page_${name} ALL DEPENDS ${page})
  install(FILES ${page} DESTINATION ${CMAKE_INSTALL_MANDIR}/man${section})
endfunction()

# xk_manual(PROGRAM SECTION DOCUMENT GENERATOR): the page of a program, and its completions.
function(xk_manual program section document generator)
  if(NOT XK_MANUAL)
    return()
  endif()
  set(made)
  foreach(form bash zsh fish manual)
    set(file ${CMAKE_CURRENT_BINARY_DIR}/${program}.${form})
    add_custom_command(OUTPUT ${file} COMMAND ${generator} ${form} > ${file} DEPENDS ${generator} VERBATIM)
    list(APPEND made ${file})
  endforeach()
  add_custom_target(manual_${program} ALL DEPENDS ${made})
  set(made ${CMAKE_CURRENT_BINARY_DIR}/${program})
  install(FILES ${made}.bash DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions RENAME ${program})
  install(FILES ${made}.zsh DESTINATION ${XK_ZSH_DIR} RENAME _${program})
  install(FILES ${made}.fish DESTINATION ${CMAKE_INSTALL_DATADIR}/fish/vendor_completions.d)
  xk_page(${program} ${section} ${document} ${made}.manual ${made}.manual)
endfunction()
