#pragma once

// Header-only C++20 helper for providers: a plain class becomes a plug-in.
//
//   #include <computesdk/provider.hpp>
//   using namespace computesdk::plugin;
//
//   class Acme {
//    public:
//     explicit Acme(const Options& config) : key_(config.require("api_key")) {}
//     void create(Call& call, const csdk_create_args& args);
//     void exec(Call& call, const csdk_exec_args& args);
//     void destroy(Call& call, const csdk_target_args& args);
//    …
//   };
//   CSDK_PROVIDER(Acme, "acme", "1.0.0")
//
// A method that the class has fills the slot of that name (provider/table.hpp lists them); the others stay NULL, which
// the host answers with "not supported". A method returns void (the call is done) or csdk_status (CSDK_PENDING: it goes
// on and Call::complete ends it). Whatever it throws becomes a described failure at the edge; nothing of the C++
// runtime crosses. What plugin.h says about threads and ownership holds here too.

#if __cplusplus < 202002L
#error "computesdk/provider.hpp needs C++20: compile with -std=c++20"
#else
#include <computesdk/plugin.h>
#include <computesdk/provider/call.hpp>
#include <computesdk/provider/error.hpp>
#include <computesdk/provider/services.hpp>
#include <computesdk/provider/table.hpp>
#include <computesdk/provider/views.hpp>
#endif
