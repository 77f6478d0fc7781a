// What each fuzz target gives, and what it may use. One target is one program: with driver.cpp, or with libFuzzer.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace computesdk::fuzz {

// Good inputs, made by the code that writes them in the product, for mutations to begin with.
std::vector<std::string> seeds();

// Ends the program, with a word, when something that must hold does not.
void require(bool holds, const char* what);

}  // namespace computesdk::fuzz
