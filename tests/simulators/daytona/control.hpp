#pragma once

#include "daytona.hpp"

namespace computesdk::simulators {

inline constexpr const char* kDaytonaSnapshot = "daytonaio/sandbox:0.5.0";

/// The routes below /api.
class DaytonaControl {
 public:
  explicit DaytonaControl(DaytonaSimulator& service) : service_(service) {}
  static void addRoutes(DaytonaSimulator& service, Server& server);

 private:
  using Box = DaytonaSimulator::Box;
  using Live = DaytonaSimulator::Live;
  using Snapshot = DaytonaSimulator::Snapshot;

  void create(Exchange& exchange);
  void get(Exchange& exchange);
  void list(Exchange& exchange);
  void listPages(Exchange& exchange);
  void destroy(Exchange& exchange);
  void start(Exchange& exchange);
  void stop(Exchange& exchange);
  void pause(Exchange& exchange);
  void archive(Exchange& exchange);
  void resize(Exchange& exchange);
  void fork(Exchange& exchange);
  void snapshot(Exchange& exchange);
  void setNumber(Exchange& exchange, const std::string& what);
  void setPublic(Exchange& exchange);
  void setLabels(Exchange& exchange);
  void activity(Exchange& exchange);
  void preview(Exchange& exchange, bool withSignature);
  void toolboxUrl(Exchange& exchange);
  void listSnapshots(Exchange& exchange);
  void getSnapshot(Exchange& exchange);
  void removeSnapshot(Exchange& exchange);

  /// Nothing: it has answered 404.
  std::optional<Live> find(Exchange& exchange);
  std::optional<Snapshot> findSnapshot(const std::string& idOrName);
  /// Those that a list's query asks for, the newest first.
  std::vector<Box> matching(const Request& request);
  Box make(Box box, const std::string& files);
  /// The sandbox as it is now; `whole`: with what lists leave out.
  [[nodiscard]] std::string toJson(const Box& box, bool whole) const;
  void respondBox(Exchange& exchange, const std::string& id);

  DaytonaSimulator& service_;
};

}  // namespace computesdk::simulators
