#pragma once

#include "crowd.hpp"
#include "world.hpp"

namespace computesdk::bench {

/// Makes a terminal of /bin/sh. Its id.
std::string makeTerminal(World& world, const Box& box);
/// The messages of a client that listens to a terminal, and types into it.
std::string subscription(const std::string& terminal);
std::string typing(const std::string& terminal, std::string_view input);
/// What a message says that the terminal has put out; empty when it says something else.
std::string outputOf(std::string_view message);

/// A terminal that gives back what is typed.
class EchoTerminal {
 public:
  EchoTerminal(World& world, const Box& box);
  ~EchoTerminal();
  EchoTerminal(const EchoTerminal&) = delete;
  EchoTerminal& operator=(const EchoTerminal&) = delete;

  /// Nanoseconds from one character's sending to its coming back.
  long long echo();

 private:
  void await(char character);

  World& world_;
  const Box box_;
  const std::string id_;
  const Descriptor socket_;
  FrameReader frames_;
  char next_ = 'a';
};

}  // namespace computesdk::bench
