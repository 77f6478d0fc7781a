#pragma once

#include <computesdk/registry/provider.hpp>
#include <computesdk/result.hpp>

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

// What a provider says about itself in NAME.provider.json; docs/manifest.md describes the format.
namespace computesdk::registry {

/// Where a plug-in may run. A trusted one runs in process unless it says `isolated`.
enum class PlacementRule { isolated, any, inProcess };
/// Whether host functions such as `write` may block this plug-in's threads.
enum class Threading { blocking, async };
/// What the host queues for the plug-in: nothing, all calls of a provider, or the calls of one sandbox.
enum class Serialize { none, provider, sandbox };
/// Who holds the secrets: the host puts them into HTTP headers, or the plug-in gets them as they are.
enum class Secrets { host, plugin };

std::string_view toString(PlacementRule rule) noexcept;
std::string_view toString(Threading threading) noexcept;
std::string_view toString(Serialize serialize) noexcept;
std::string_view toString(Secrets secrets) noexcept;

/// One setting of a provider.
struct ConfigEntry {
  std::string key;               ///< snake_case; its camelCase twin is accepted from callers
  std::vector<std::string> env;  ///< variables that may hold it; the first one that is set counts
  bool secret = false;
  bool required = false;      ///< beside what the detection groups already require
  std::string prefix;         ///< how a value begins; empty: not known
  bool prefixStrict = false;  ///< another beginning is an error, not a warning
  bool lines = false;         ///< values may have several lines
  std::string help;           ///< one sentence for people
  std::string defaultValue;   ///< when neither the caller nor the environment says; empty: none
  StringMap jwtClaims;        ///< config key -> claim: a key that is not given takes this claim of the value, a JWT
  std::vector<std::string>
      unlessGiven;  ///< config keys: when the caller gives one of them, the environment is not asked
};

/// Variables that must all be set for the provider to count as configured.
using DetectGroup = std::vector<std::string>;

struct DetectRule {
  std::vector<DetectGroup> anyOf;   ///< one complete group suffices
  std::vector<std::string> noneOf;  ///< one that is set rules the provider out
  bool always = false;              ///< ready without variables; chosen last, when nothing else is even partly set
};

/// An origin that the plug-in may talk to. May hold `*.` at the start of the host and `${config.key}`.
struct EgressRule {
  std::string origin;
  bool auth = false;  ///< secrets may go there
};

/// A manifest that was read and found valid. A plain value, not changed after parsing: read it from any thread.
struct Manifest {
  std::filesystem::path file;     ///< absolute; empty for a text that came from elsewhere
  std::filesystem::path library;  ///< of this platform, absolute (beside `file`); empty when there is none for it
  std::string sha256;             ///< lower-case hex that the library must have; empty: not said

  std::string name;  ///< [a-z0-9][a-z0-9_-]*, equal to the file's name before ".provider.json"
  std::string version;
  std::string title;  ///< for people; the name when not said
  std::string vendor;
  std::string license;
  std::string homepage;
  std::string description;

  int abiMajor = 1;
  int abiMinMinor = 0;
  PlacementRule placement = PlacementRule::any;
  bool inlineCalls = false;  ///< "inline": calls on the caller's thread; obeyed for trusted plug-ins only
  Threading threading = Threading::blocking;
  Serialize serialize = Serialize::none;
  Secrets secrets = Secrets::host;

  DetectRule detect;
  std::optional<int> priority;  ///< as written; what counts is Candidate::priority
  std::vector<ConfigEntry> config;
  std::vector<std::string> capabilities;  ///< "exec", "fs", "snapshot/1", …
  StringMap capabilityNotes;              ///< capability -> a sentence on what differs from the usual
  std::vector<EgressRule> egress;
  std::string optionsSchema;            ///< JSON schema of the vendor options, as text; empty: not said
  std::vector<std::string> setupSteps;  ///< how to get credentials, shown numbered in errors
  std::string setupUrl;

  std::vector<std::string> warnings;  ///< unknown keys
  std::string text;                   ///< the whole file, unknown keys included

  /// The entry of `key` or of its camelCase twin; null when there is none.
  [[nodiscard]] const ConfigEntry* findConfig(std::string_view key) const noexcept;
  [[nodiscard]] bool hasCapability(std::string_view capability) const noexcept;
};

/// Longest manifest in bytes, and deepest nesting outside and inside `options_schema`.
inline constexpr std::size_t kManifestMaxBytes = 64 * 1024;
inline constexpr int kManifestMaxDepth = 8;
inline constexpr int kOptionsSchemaMaxDepth = 64;
inline constexpr int kManifestVersion = 1;

/// "linux-x86_64-gnu": the key of this build in `library` and `sha256`.
std::string_view platformName() noexcept;

/// Parses and validates. `file` is where the text came from: its name must fit the manifest's, and the library is
/// looked for beside it. Errors: E_MANIFEST, naming the key, what is wrong with it and how to put it right.
/// Thread-safe.
Result<std::shared_ptr<const Manifest>> parseManifest(std::string_view text, const std::filesystem::path& file);

/// Reads and parses a manifest; no check of ownership. Errors as parseManifest, and E_MANIFEST when it cannot be read.
Result<std::shared_ptr<const Manifest>> readManifest(const std::filesystem::path& file);

/// Whether the vendor options fit the manifest's schema; dotted keys are nested objects there. Without a schema
/// everything fits. Errors: E_INVALID_ARGUMENT naming the option, or E_MANIFEST for a schema that cannot be used.
Result<void> checkOptions(const Manifest& manifest, const OptionMap& options);

/// "api_key" -> "apiKey".
std::string camelCase(std::string_view snakeCase);

}  // namespace computesdk::registry
