#include "common/settings.hpp"

#include "common/text.hpp"

#include <computesdk/provider/error.hpp>

namespace computesdk::vendor {

std::string urlSetting(const plugin::Options& config, std::string_view key, const char* variable, const char* example) {
  std::string url = withoutTrailingSlash(config.text(key).value_or(""));
  const bool hasScheme = url.starts_with("https://") || url.starts_with("http://");
  if (url.empty() || (hasScheme && !hostOf(url).empty())) return url;
  throw plugin::Error(CSDK_INVALID_ARGUMENT, std::string(variable) + " is not a URL that begins with https://")
      .fix(std::string("give it as in ") + example + ", or unset it");
}

}  // namespace computesdk::vendor
