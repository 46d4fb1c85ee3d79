// SPDX-License-Identifier: MIT
//
// Reads the kernel's lists of rtnetlink(7) and their attributes. mnl_cb_run(3) takes a list that failed half way for a
// whole one, because it ignores the code in NLMSG_DONE, and it does not know how long the fixed head of a message has
// to be.
#pragma once

#include <libmnl/libmnl.h>

#include <cerrno>
#include <cstring>
#include <optional>
#include <span>
#include <string>
#include <type_traits>

namespace xk::xdp {

// Calls `each` for each message of the datagram, as mnl_cb_run(3) does. If the list failed, or ends without its code,
// the result is MNL_CB_ERROR with errno.
int read_list(std::span<const char> datagram, unsigned sequence, unsigned port, mnl_cb_t each, void* to);

// The fixed head of a message; null with errno EBADMSG where the message is shorter.
template <typename Head>
const Head* head_of(const nlmsghdr* message) {
    if (mnl_nlmsg_get_payload_len(message) >= sizeof(Head))
        return static_cast<const Head*>(mnl_nlmsg_get_payload(message));
    errno = EBADMSG;
    return nullptr;
}

// The number in an attribute; nothing if the attribute has another size.
template <typename Number>
std::optional<Number> number_of(const nlattr* attribute) {
    static_assert(std::is_unsigned_v<Number>);
    if (mnl_attr_get_payload_len(attribute) != sizeof(Number))
        return std::nullopt;
    Number number;
    std::memcpy(&number, mnl_attr_get_payload(attribute), sizeof number);
    return number;
}

// The text in an attribute, up to its 0 or the attribute's end.
inline std::string text_of(const nlattr* attribute) {
    const auto* const text = static_cast<const char*>(mnl_attr_get_payload(attribute));
    return {text, ::strnlen(text, mnl_attr_get_payload_len(attribute))};
}

} // namespace xk::xdp
