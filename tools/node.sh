# To be sourced at the repository's root: puts a Node.js that is new enough for the page's tools first on PATH. Debian 12's own is
# too old (18); then the npm registry's build of a newer one goes into build/node, once.
node_is_new_enough() { node -e 'const [a, b] = process.versions.node.split(".").map(Number); process.exit(a > 20 || (a === 20 && b >= 19) ? 0 : 1)' 2>/dev/null; }

if ! node_is_new_enough; then
  node_home=$PWD/build/node/node_modules
  node_package=node-linux-$(uname -m | sed 's/x86_64/x64/; s/aarch64/arm64/')
  if [ ! -x "$node_home/$node_package/bin/node" ] || [ ! -e "$node_home/npm" ]; then
    echo "Installing Node.js 22 into build/node (found: $(node --version 2>/dev/null || echo none), needed: 20.19)" >&2
    mkdir -p build/node
    npm install --prefix build/node --no-audit --no-fund --loglevel=error "$node_package@22.23.3" npm@10.9.3 >&2
  fi
  export PATH=$node_home/$node_package/bin:$node_home/.bin:$PATH
fi
