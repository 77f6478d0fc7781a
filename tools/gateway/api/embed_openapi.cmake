# -DDOCUMENT=openapi.json -DOUTPUT=openapi.cpp: the document as a string of the program. A literal may have at most 64 KiB
# in portable C++, so it is cut into lines.
file(READ ${DOCUMENT} text)
string(REPLACE "\\" "\\\\" text "${text}")
string(REPLACE "\"" "\\\"" text "${text}")
string(REPLACE "\n" "\\n\"\n    \"" text "${text}")
file(WRITE ${OUTPUT} "#include \"api/api.hpp\"\n\nnamespace computesdk::gateway {\n
std::string_view openApiDocument() noexcept {\n  return\n    \"${text}\";\n}\n\n}  // namespace computesdk::gateway\n")
