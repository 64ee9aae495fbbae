exports.handler = async () => "a script";
