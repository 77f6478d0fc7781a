#pragma once

#include <boost/asio/ip/address.hpp>

namespace computesdk::net {

/// Whether an address leads anywhere but to the public internet: loopback, private, link-local, shared, multicast,
/// unspecified and the ranges set aside for documentation and tests, also when one is wrapped into IPv6.
bool isPrivate(const boost::asio::ip::address& address);

}  // namespace computesdk::net
