#include "blaxel.hpp"

int main(int argc, char** argv) {
  using namespace computesdk::simulators;
  return runSimulator(argc, argv, [] { return std::make_unique<BlaxelSimulator>(); });
}
