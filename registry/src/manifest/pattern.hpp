#pragma once

#include <string>
#include <string_view>

namespace computesdk::registry {

/// Why a `pattern` of a JSON schema cannot be used, or an empty string. The schemas of plug-ins are not ours, and the
/// JSON library's matcher trusts its patterns: it reads beyond its stack on `{2}`, recurses without end on `(a*)*`,
/// takes exponential time on `(a?|b?)(a?|b?)…`, and ignores what it cannot read. What passes here does none of it.
std::string whyPatternUnusable(std::string_view pattern);

}  // namespace computesdk::registry
