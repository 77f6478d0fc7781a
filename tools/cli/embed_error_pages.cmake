# Writes errorPage(): cmake -DCODES=error_codes.inc -DPAGES=docs/errors -DOUTPUT=error_pages.cpp -P embed_error_pages.cmake
file(STRINGS ${CODES} rows REGEX "^CSDK_ERROR_CODE\\(")
set(cases "")
foreach(row IN LISTS rows)
  string(REGEX MATCH "^CSDK_ERROR_CODE\\(([a-zA-Z]+), \"(E_[A-Z_]+)\"" ignored "${row}")
  set(enumerator ${CMAKE_MATCH_1})
  set(page ${PAGES}/${CMAKE_MATCH_2}.md)
  if(NOT EXISTS ${page})
    message(FATAL_ERROR "${CMAKE_MATCH_2} has no page; write docs/errors/${CMAKE_MATCH_2}.md")
  endif()
  file(READ ${page} text)
  string(APPEND cases "    case ErrorCode::${enumerator}:\n      return R\"page(${text})page\";\n")
endforeach()
file(CONFIGURE OUTPUT ${OUTPUT} CONTENT [[// Generated from docs/errors/.
#include "core/error_pages.hpp"

namespace computesdk::cli {

std::string_view errorPage(ErrorCode code) noexcept {
  switch (code) {
@cases@  }
  return {};
}

}  // namespace computesdk::cli
]] @ONLY)
