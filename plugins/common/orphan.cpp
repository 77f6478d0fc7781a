#include "common/orphan.hpp"

#include <array>

namespace computesdk::vendor {
namespace {

/// Before each look for an orphan. What was begun may show up a moment after the failure.
constexpr std::array<std::int64_t, 3> kLooksMs = {0, 300, 1200};

enum class Left { gone, nothingSeen, unknown };

Left undo(Session& session, const CreateSteps& steps, const std::optional<std::string>& id) {
  try {
    session.beginCleanup();
    if (id) {
      steps.destroy(*id);
      return Left::gone;
    }
    for (const std::int64_t waitMs : kLooksMs) {
      if (waitMs != 0) session.pause(waitMs);
      const std::vector<std::string> found = steps.find();
      for (const std::string& one : found) steps.destroy(one);
      if (!found.empty()) return Left::gone;
    }
    return Left::nothingSeen;
  } catch (const plugin::Error& error) {
    session.call().log(CSDK_LOG_WARN,
                       std::string("what a failed create may have left could not be looked for: ") + error.what());
    return Left::unknown;
  }
}

}  // namespace

void createOrUndo(Session& session, const CreateSteps& steps) {
  std::optional<std::string> id;
  try {
    steps.create(id);
  } catch (const plugin::Error& failure) {
    if (!id && !mayHaveApplied(failure)) throw;
    const Left left = undo(session, steps, id);
    // A vendor that answered is done with the request; one that did not may still be at it.
    const bool answered = failure.abi().http_status != 0;
    plugin::Error told = failure;
    told.maybeApplied();
    if (left == Left::gone || (left == Left::nothingSeen && answered)) told.orphanGone();
    throw told;
  }
}

}  // namespace computesdk::vendor
