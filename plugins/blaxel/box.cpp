#include "blaxel/box.hpp"

#include "common/scripts.hpp"
#include "common/shell.hpp"
#include "common/text.hpp"
#include "common/token.hpp"

#include <algorithm>
#include <random>

namespace computesdk::blaxel {
namespace {

using plugin::view;
using vendor::Answer;
using vendor::Failure;
using vendor::JsonDocument;
using vendor::JsonValue;

constexpr std::int64_t kScriptSeconds = 30;

}  // namespace

std::optional<Place> Place::of(const csdk_target& target) {
  const auto token = vendor::SandboxToken::parse(target.token);
  if (!token || token->get("url").empty()) return {};
  return Place{token->get("url"), token->get("dir")};
}

Place Place::of(const Settings& settings, vendor::Json sandbox, std::string directory) {
  Place place;
  const vendor::Json metadata = sandbox["metadata"];
  place.url = metadata.textOr("url");
  if (place.url.empty()) {
    place.url = settings.runUrl + "/" + vendor::percentEncode(settings.workspace) + "/sandboxes/" +
                vendor::percentEncode(metadata.text("name"));
  }
  place.directory = std::move(directory);
  return place;
}

std::string Place::token() const {
  vendor::SandboxToken token;
  return token.set("url", url).set("dir", directory).write();
}

JsonDocument askAbout(vendor::Session& session, const vendor::Api& control, std::string_view id) {
  const Answer answer = control.send(session, control.get("/sandboxes/" + vendor::pathSegment(id)), {404});
  if (answer.status == 404) throw vendor::goneError(kTitle, id);
  JsonDocument document = control.json(answer, "inspect");
  if (document["metadata"].textOr("name") != id) {
    throw plugin::Error(CSDK_UNAVAILABLE, "Blaxel's answer to inspect is about another sandbox")
        .errorClass(CSDK_ERROR_PROTOCOL);
  }
  const std::string_view status = document["status"].asText().value_or("");
  if (status == "TERMINATED" || status == "TERMINATING" || status == "DELETING") throw vendor::goneError(kTitle, id);
  return document;
}

std::string newName(std::string_view prefix) {
  std::random_device random;
  char digits[24];
  const int size = std::snprintf(digits, sizeof digits, "%08x%08x", random(), random());
  return std::string(prefix) + std::string(digits, static_cast<std::size_t>(size));
}

Box::Box(vendor::Session& session, Access& access, const Settings& settings, const csdk_target& target)
    : session_(session), access_(access), settings_(settings), id_(view(target.id)) {
  if (auto known = Place::of(target)) {
    place_ = std::move(*known);
  } else {
    const JsonDocument asked = askAbout(session, access.control(session), id_);
    place_ = Place::of(settings, asked.root());
    session.call().token(place_.token());
  }
  makeApi();
}

Box::Box(vendor::Session& session, Access& access, const Settings& settings, std::string id, Place place)
    : session_(session), access_(access), settings_(settings), id_(std::move(id)), place_(std::move(place)) {
  makeApi();
}

void Box::makeApi() { api_.emplace(access_.sandbox(session_, place_.url)); }

Answer Box::send(const vendor::Request& request, std::initializer_list<int> alsoGood) {
  Answer answer = session_.fetch(request, vendor::kJsonMaxBytes);
  if (answer.ok() || std::find(alsoGood.begin(), alsoGood.end(), answer.status) != alsoGood.end()) return answer;
  throw failure(answer).error();
}

Failure Box::failure(const Answer& answer) {
  Failure failure = api_->failure(session_, answer, false);
  const auto says = [&](std::string_view words) { return failure.says(words); };
  const bool aboutItself = answer.status == 404 && !says("no such file") && !says("process") && !says("upload");
  if (aboutItself || answer.status == 502 || answer.status == 503 || answer.status == 504) {
    if (auto why = whyNotRunning()) return std::move(*why);
  }
  return failure;
}

Failure Box::broken(Failure failure) {
  try {
    if (auto why = whyNotRunning()) return std::move(*why);
  } catch (const plugin::Error& error) {
    if (error.status() == CSDK_CANCELLED) throw;
  }
  return failure;
}

std::optional<Failure> Box::whyNotRunning() {
  Failure failure;
  try {
    const JsonDocument asked = askAbout(session_, access_.control(session_), id_);
    const std::string_view status = asked["status"].asText().value_or("");
    if (status != "DEACTIVATED" && status != "ARCHIVED" && status != "FAILED") return {};
    failure.is(CSDK_FAILED_PRECONDITION, CSDK_ERROR_STOPPED);
    failure.message = "the sandbox does not run: Blaxel says that it is " + vendor::oneLine(status, 40);
  } catch (const plugin::Error& error) {
    if (error.abi().error_class != CSDK_ERROR_GONE) throw;
    failure.is(CSDK_NOT_FOUND, CSDK_ERROR_GONE);
    failure.message = error.what();
  }
  return failure;
}

std::string Box::script(std::string_view text, const std::vector<std::string>& args, int* code) {
  std::string command = "set --";
  for (const std::string& arg : args) command += " " + vendor::shellQuote(arg);
  command += "\n";
  command += text;
  JsonValue body = JsonValue::object();
  body.set("command", command).set("name", newName(kOwnPrefix)).set("waitForCompletion", true);
  body.set("timeout", kScriptSeconds).setText("workingDir", place_.directory);
  const Answer answer = send(api_->post("/process", body));
  const JsonDocument made = api_->json(answer, "a command");
  if (code != nullptr) *code = static_cast<int>(made.root().integer("exitCode"));
  std::string out(made.root().textOr("stdout"));
  while (out.ends_with('\n')) out.pop_back();
  return out;
}

bool signalProcess(Box& box, std::int64_t pid, int signal, bool tree) {
  constexpr std::string_view kOne = R"(kill "-$1" "$2" 2>/dev/null && echo done || echo none)";
  return box.script(tree ? vendor::kSignalTree : kOne, {std::to_string(signal), std::to_string(pid), "self"}) != "none";
}

}  // namespace computesdk::blaxel
