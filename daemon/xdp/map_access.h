// SPDX-License-Identifier: MIT
//
// Reading and writing maps of fixed-size keys and values. Each call is one bpf(2) call of a few microseconds, or one
// for each key.
#pragma once

#include "protocol/base/result.h"

#include <bpf/bpf.h>

#include <string>
#include <vector>

namespace xk::xdp {

template <typename Key>
std::vector<Key> keys_of(int fd) {
    std::vector<Key> keys;
    Key key, next;
    for (const Key* at = nullptr; bpf_map_get_next_key(fd, at, &next) == 0; at = &key) {
        key = next;
        keys.push_back(key);
    }
    return keys;
}

// `what` names the map in the error: "writing the filter's tags".
template <typename Key, typename Value>
Result<void> put_entry(int fd, const Key& key, const Value& value, const char* what) {
    if (bpf_map_update_elem(fd, &key, &value, BPF_ANY) != 0)
        return os_error(std::string("writing the filter's ") + what);
    return {};
}

// The entry may be absent.
template <typename Key>
void erase_entry(int fd, const Key& key) {
    (void)bpf_map_delete_elem(fd, &key);
}

} // namespace xk::xdp
