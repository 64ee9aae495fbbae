"""The clients, blocking and asyncio side by side: call, fire, map, stream, bind."""
