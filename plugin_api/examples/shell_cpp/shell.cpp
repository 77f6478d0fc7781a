// A complete provider: each sandbox is a folder below the configured root, commands run on this machine in it.
// It isolates nothing; it shows how little a provider needs.
#include <computesdk/provider.hpp>
#include <computesdk/provider/subprocess.hpp>

#include <cstdlib>
#include <filesystem>

using namespace computesdk::plugin;

class Shell {
 public:
  static constexpr std::uint32_t kCreateFlags = CSDK_CREATE_ISOLATION_NONE;  // the one demand that it can meet

  explicit Shell(const Options& config) : root_(config.require("root")) {}

  void create(Call& call, const csdk_create_args& args) {
    if (args.env.count > 0) throw Error(CSDK_UNIMPLEMENTED, "a sandbox keeps no environment here; give it to exec");
    if (args.template_id.size + args.image.size + args.snapshot_id.size + args.working_directory.size > 0)
      throw Error(CSDK_UNIMPLEMENTED, "a sandbox is an empty folder here, without template, image or directory");
    std::string path = root_ / "sh-XXXXXX";
    if (!::mkdtemp(path.data()))
      throw systemError("cannot make a folder below the root").fix("mkdir -p '" + root_.string() + "'");
    call.emitSandbox(path.substr(path.rfind('/') + 1));
  }

  void inspect(Call& call, const csdk_target_args& args) { call.emitSandbox(folder(args.target).filename().string()); }

  void list(Call& call, const csdk_list_args&) {
    for (const auto& entry : std::filesystem::directory_iterator(root_)) {
      const std::string id = entry.path().filename();
      if (isId(id)) call.emitSandbox(id);
    }
  }

  void destroy(Call&, const csdk_target_args& args) {
    if (isId(view(args.target.id))) std::filesystem::remove_all(root_ / view(args.target.id));
  }

  void exec(Call& call, const csdk_exec_args& args) {
    Command command = Command::of(args);
    command.cwd = folder(args.target) / command.cwd;
    Runner(call, command, Input(args)).run();
  }

 private:
  static bool isId(std::string_view id) { return id.starts_with("sh-") && id.find('/') == id.npos; }

  std::filesystem::path folder(const csdk_target& target) const {
    const std::filesystem::path path = root_ / view(target.id);
    if (isId(view(target.id)) && std::filesystem::is_directory(path)) return path;
    throw Error(CSDK_NOT_FOUND, "there is no such sandbox").errorClass(CSDK_ERROR_GONE);
  }

  std::filesystem::path root_;
};

CSDK_PROVIDER(Shell, "shell", "1.0.0")
