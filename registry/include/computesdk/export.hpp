#pragma once

// Marks what the shared library offers; everything else is built hidden.
#define COMPUTESDK_API __attribute__((visibility("default")))
